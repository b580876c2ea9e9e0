print("init of nested", ...) return {}
