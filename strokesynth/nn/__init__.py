"""The networks: layers, the soft window, mixture density outputs, and Graves' two networks built of them."""
