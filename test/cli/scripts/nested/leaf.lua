return "the leaf"
