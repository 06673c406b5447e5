-- Let the revision run that waits now, and no later one.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/approved-revision"] = obj.status.updateRevision
return obj
