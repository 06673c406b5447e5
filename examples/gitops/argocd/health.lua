-- Health of a SomaMemory for Argo CD. The order of the questions is the contract: see docs/gitops.md.

local status = obj.status or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function answer(health, kind, otherwise)
  local condition = conditions[kind]
  return { status = health, message = condition and condition.message or otherwise }
end

if obj.metadata.deletionTimestamp ~= nil then
  return answer("Progressing", "Reconciling", "the resource is being deleted")
end
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not seen this generation yet" }
end
if holds("Paused") then
  return answer("Suspended", "Paused")
end
if holds("Hibernated") then
  return answer("Suspended", "Hibernated")
end
if holds("UpdatePending") and not holds("Ready") and not holds("Stalled") and not holds("Reconciling") then
  return answer("Suspended", "UpdatePending")
end
if holds("Stalled") then
  return answer("Degraded", "Stalled")
end
if holds("Reconciling") then
  return answer("Progressing", "Reconciling")
end
if holds("Ready") then
  return answer("Healthy", "Ready")
end
return answer("Progressing", "Ready", "the operator has not told the state yet")
