-- Which actions make sense now. Pausing and sleeping by the spec is Git's business: these change annotations
-- only, and a copy is a resource of its own.

local annotations = obj.metadata.annotations or {}
local is_paused = annotations["memory.soma.sh/reconcile"] == "disabled"
local is_hibernated = annotations["memory.soma.sh/hibernated"] == "true"

local is_waiting = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  is_waiting = is_waiting or (condition.type == "UpdatePending" and condition.status == "True")
end

local has_target = ((obj.spec or {}).backup or {}).target ~= nil

return {
  ["backup"] = { ["disabled"] = not has_target },
  ["restart"] = {},
  ["approve-update"] = { ["disabled"] = not is_waiting },
  ["pause"] = { ["disabled"] = is_paused },
  ["resume"] = { ["disabled"] = not is_paused },
  ["hibernate"] = { ["disabled"] = is_hibernated },
  ["wake"] = { ["disabled"] = not is_hibernated },
}
