-- Which actions make sense now. Pausing and sleeping by the spec is Git's business: these change annotations
-- only, and a copy is a resource of its own.

local annotations = obj.metadata.annotations or {}
local is_paused = annotations["memory.soma.sh/reconcile"] == "disabled"
local is_hibernated = annotations["memory.soma.sh/hibernated"] == "true"

local status = obj.status or {}
local is_waiting = false
for _, condition in ipairs(status.conditions or {}) do
  is_waiting = is_waiting or (condition.type == "UpdatePending" and condition.status == "True")
end

local is_rejected = annotations["memory.soma.sh/rejected-revision"] ~= nil
local way_back = status.lastGoodRevision
if way_back == status.updateRevision then
  way_back = status.earlierGoodRevision
end
local runs = status.currentRevision == status.updateRevision

local has_target = ((obj.spec or {}).backup or {}).target ~= nil

return {
  ["backup"] = { ["disabled"] = not has_target },
  ["restart"] = {},
  ["approve-update"] = { ["disabled"] = not is_waiting },
  ["rollback"] = { ["disabled"] = way_back == nil or not runs },
  ["undo-rollback"] = { ["disabled"] = not is_rejected },
  ["pause"] = { ["disabled"] = is_paused },
  ["resume"] = { ["disabled"] = not is_paused },
  ["hibernate"] = { ["disabled"] = is_hibernated },
  ["wake"] = { ["disabled"] = not is_hibernated },
}
