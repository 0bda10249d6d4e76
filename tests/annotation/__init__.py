"""What the services and selectors of annotation promise, without HTTP."""
