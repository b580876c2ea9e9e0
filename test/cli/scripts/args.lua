print("arguments", select("#", ...), ...)
local indices = {}
for index in pairs(arg) do
  indices[#indices + 1] = index
end
table.sort(indices)
for _, index in ipairs(indices) do
  print(index, arg[index])
end
