-- Make a copy now, where the schedule's are kept: a SomaMemoryBackup of its own, which the schedule's retention leaves alone.

local os = require("os") -- Argo CD's own, which knows the time and nothing else

local name = obj.metadata.name
local backup = {
  apiVersion = obj.apiVersion,
  kind = "SomaMemoryBackup",
  metadata = {
    name = name:sub(1, 40):gsub("%-+$", "") .. "-" .. os.date("!%Y%m%d%H%M%S"),
    namespace = obj.metadata.namespace,
  },
  spec = {
    memoryRef = { name = name },
    target = obj.spec.backup.target,
  },
}

return { { operation = "create", resource = backup } }
