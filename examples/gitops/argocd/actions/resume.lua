-- Let the operator work again.

obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["memory.soma.sh/reconcile"] = nil
return obj
