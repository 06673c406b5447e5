-- Let what runs run no longer: the pods go back to the revision that served before it.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/rejected-revision"] = obj.status.updateRevision
return obj
