-- Let the revision run again that was rejected.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/rejected-revision"] = nil
return obj
