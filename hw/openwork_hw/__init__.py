"""The sparse MAC array: the contract with software (`arch`) and the gateware."""
