-- Start the servers again.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/hibernated"] = nil
return obj
