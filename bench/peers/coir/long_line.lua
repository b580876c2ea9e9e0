-- long_line.lua: reads one line of COUNT KiB that arrives in pieces of 1 KiB.
--
-- The writer lets the reader run after each piece, so a search that begins anew with every piece
-- takes time that grows with the square of COUNT.

local fiber = require 'fiber'
local socket = require 'socket'

local pieces = tonumber(arg[1])
local piece = ('x'):rep(1024)
local reader, writer = assert(socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0))
local length = pieces * #piece + 1

fiber.new(function()
  for _ = 1, pieces do
    assert(writer:write(piece))
    fiber.yield()
  end
  assert(writer:write('\n'))
end)

reader:setmaxline(length)
assert(#assert(reader:readline()) == length)
