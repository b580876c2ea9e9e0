--- descriptors.lua: which descriptors this process has open.
local descriptors = {}

--- The set of the open numbers.
function descriptors.open()
  local open = {}
  for fd = 0, 1023 do
    local file = io.open(('/proc/self/fdinfo/%d'):format(fd))
    open[fd] = file and file:close()
  end
  return open
end

function descriptors.count()
  local n = 0
  for _ in pairs(descriptors.open()) do n = n + 1 end
  return n
end

--- Calls open(...) and returns the number of the descriptor that this has opened, and its results.
function descriptors.opened_by(open, ...)
  collectgarbage('stop') -- it might close a descriptor whose number is then used again
  local before = descriptors.open()
  local results = table.pack(open(...))
  collectgarbage('restart')
  for fd in pairs(descriptors.open()) do
    if not before[fd] then return fd, table.unpack(results, 1, results.n) end
  end
end

return descriptors
