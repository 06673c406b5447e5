-- Let the operator change nothing.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/reconcile"] = "disabled"
return obj
