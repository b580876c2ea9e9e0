-- long_line.lua: does reading a line that arrives in small pieces take time linear in its length?
--
-- A 64 MiB line and, as the yardstick, one of 16 MiB, in pieces of 1 KiB: the writer lets the
-- reader run after each. The ratio is their time per MiB: 1.00 is linear, 0.25 would be quadratic.

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'
local measure = require 'measure'
local socket = require 'socket'

local rounds = 5
local piece = ('x'):rep(1024)

local function write_line(writer, mebibytes)
  for _ = 1, mebibytes * 1024 do
    assert(writer:write(piece))
    fiber.yield()
  end
  assert(writer:write('\n'))
  writer:close()
end

local function cost_per_mebibyte(mebibytes)
  local reader, writer = assert(socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0))
  local length = mebibytes * 1024 * 1024 + 1
  reader:setmaxline(length)
  local cost = measure.cpu_ns(mebibytes, function()
    fiber.new(write_line, writer, mebibytes)
    assert(#assert(reader:readline()) == length)
  end)
  reader:close()
  return cost
end

measure.compare('time for each MiB of a long line', rounds,
  { name = '16 MiB', cost = function() return cost_per_mebibyte(16) end },
  { name = '64 MiB', cost = function() return cost_per_mebibyte(64) end })
