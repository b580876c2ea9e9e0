print("circular", ...)
if select("#", ...) == 2 then
  print(pcall(require, "circular"))
end
return { "circular" }
