"""Where nodes run: network namespaces here, or in a small virtual machine."""
