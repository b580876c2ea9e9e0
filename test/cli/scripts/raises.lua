local config = nil
return config.value
