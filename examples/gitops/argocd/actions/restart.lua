-- Make new pods; what waits for approval comes along.

local os = require("os") -- Argo CD's own, which knows the time and nothing else

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/restartedAt"] = os.date("!%Y-%m-%dT%XZ")
return obj
