-- Health of a SomaMemoryBackup for Argo CD: made once, so it is Healthy or Degraded for good.

local status = obj.status or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function answer(health, kind)
  return { status = health, message = conditions[kind].message }
end

if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not seen this backup yet" }
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
return { status = "Progressing", message = "the operator has not told the state yet" }
