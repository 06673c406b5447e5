-- Stop the servers; the data is kept.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/hibernated"] = "true"
return obj
