print("café", #"café")
local café = 1
