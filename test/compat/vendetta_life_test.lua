-- vendetta_life_test.lua: names and the end of the class TCPSocket's objects.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local child = require 'child'
local fiber = require 'fiber'
local test = require 'test'

local TCPSocket = require('coir.compat.vendetta').TCPSocket

-- -- Names and the end ------------------------------------------------------------------------------

test.case('GetPeerName is an address and a port, or nil', function()
  local tcp, other = vendetta.pair()
  test.equal(tcp:GetPeerName(), tostring(other:name()))
  tcp:Disconnect()
  test.equal(tcp:GetPeerName(), nil)
  test.equal(TCPSocket():GetPeerName(), nil)
  local listening = vendetta.listener()
  test.equal(listening:GetPeerName(), nil)
  listening:Disconnect()
end)

test.case('Disconnect may be repeated, and no handler is called afterwards', function()
  local tcp, other = vendetta.pair()
  local calls = 0
  tcp:SetReadHandler(function() calls = calls + 1 end)
  tcp:SetWriteHandler(function() calls = calls + 1 end)
  other:write('data')
  tcp:Disconnect()
  tcp:Disconnect()
  test.settle()
  test.equal(calls, 0)
  TCPSocket():Disconnect()
end)

test.case('Disconnect inside a handler', function()
  local tcp, other = vendetta.pair()
  local calls = 0
  tcp:SetReadHandler(function()
    calls = calls + 1
    tcp:Disconnect()
  end)
  tcp:SetWriteHandler(nil)
  other:write('data')
  test.equal(other:read(1, 10) or '', '')
  test.settle()
  test.equal(calls, 1)
end)

test.case('Disconnect by another fiber while a handler waits for its turn', function()
  local tcp, other = vendetta.pair()
  local calls, go = {}, fiber.cond()
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    calls[#calls + 1] = 'write'
    go:wait(10)
  end)
  tcp:SetReadHandler(function() calls[#calls + 1] = 'read' end)
  other:write('data')
  test.eventually(function() return calls[1] end)
  if calls[1] == 'write' then
    test.settle()
    tcp:Disconnect()
    go:signal()
    test.settle()
    test.equal(calls, { 'write' })
  end
end)

test.case('the object may connect again, and its handlers stay', function()
  local listener, port = vendetta.plain_listener()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:SetReadHandler(function() told:put(tcp:Recv() or 'end') end)
  for round = 1, 3 do
    tcp:Connect('127.0.0.1', port)
    local other = listener:accept(10)
    other:write('round ' .. round)
    test.equal(told:get(10), 'round ' .. round)
    tcp:Disconnect()
  end
end)

test.case('a connection is alive without a reference to it', function()
  local listener, port = vendetta.plain_listener()
  local told = fiber.channel(10)
  do
    local tcp = TCPSocket()
    tcp:SetReadHandler(function(self) told:put(self:Recv()) end)
    tcp:Connect('127.0.0.1', port)
  end
  local other = listener:accept(10)
  collectgarbage()
  collectgarbage()
  other:write('still here')
  test.equal(told:get(10), 'still here')
end)

test.case('an object without a connection may be collected', function()
  local weak = setmetatable({}, { __mode = 'k' })
  do
    local tcp, other = vendetta.pair()
    weak[tcp] = true
    tcp:SetReadHandler(function() tcp:Recv() end)
    tcp:Disconnect()
    other:close()
  end
  test.settle()
  collectgarbage()
  collectgarbage()
  test.equal(next(weak), nil)
end)

test.case('objects take fields of the script', function()
  local tcp = TCPSocket()
  tcp.number = 7
  test.equal(tcp.number, 7)
end)

test.case('tostring says what it is connected to', function()
  test.equal(tostring(TCPSocket()), 'TCPSocket (not connected)')
  local tcp = vendetta.pair()
  test.match(tostring(tcp), '^TCPSocket %(fd %d+, aka 127%.0%.0%.1:%d+, peer 127%.0%.0%.1:%d+%)$')
end)

test.case('running out of descriptors pauses accepting, says so once, and goes on later', function()
  local result = child.shell([[ulimit -n 40; exec "$0" -l coir.compat.vendetta ]] .. here .. 'vendetta_exhausted.lua')
  test.equal(result.out, 'all accepted\n')
  local _, count = result.err:gsub('WARN TCPSocket:Accept: [^\n]*Too many open files', '')
  test.equal(count, 1)
end)

test.finish()
