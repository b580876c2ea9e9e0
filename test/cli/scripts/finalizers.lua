for i = 1, 5 do
  local object = setmetatable({}, { __gc = function() print("finalize " .. i) end })
  _G["object" .. i] = object
end
setmetatable({}, { __gc = function(object)
  print("again")
  if not again then
    again = true
    setmetatable(object, getmetatable(object))
  end
end })
collectgarbage()
print("end of script")
