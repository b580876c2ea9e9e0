-- luasocket_copas_test.lua: Copas, a scheduler on LuaSocket, with its server and its clients in one
-- fiber, while others go on.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local test = require 'test'
local fiber = require 'fiber'
local socket = require 'socket'

-- Where Debian puts it and what it needs.
package.path = package.path .. ';/usr/share/lua/5.2/?.lua;/usr/share/lua/5.3/?.lua'
local found, copas = pcall(require, 'copas')
if not found then
  test.case('Copas is installed', function() error(copas, 0) end)
  test.finish()
end

local function echo(s)
  local client = copas.wrap(s)
  while true do
    local line = client:receive()
    if not line then return end
    client:send(line:upper() .. '\n')
  end
end

local server = assert(socket.bind('127.0.0.1', 0))
local port = select(2, server:getsockname())
copas.addserver(server, echo)
local loop = fiber.new(function() while true do copas.step(0.05) end end)

test.case('a server of Copas answers a client of LuaSocket in another fiber', function()
  local s = assert(socket.connect('127.0.0.1', port))
  s:settimeout(10)
  for i = 1, 100 do
    test.equal({ s:send(('line %d\n'):format(i)) ~= nil, (s:receive()) }, { true, 'LINE ' .. i })
  end
  s:close()
end)

test.case('100 clients in 100 fibers', function()
  peer.all(100, function(i)
    local s = assert(socket.connect('127.0.0.1', port))
    s:settimeout(10)
    for round = 1, 5 do
      s:send(('%d of %d\n'):format(round, i))
      test.equal((s:receive()), ('%d OF %d'):format(round, i))
    end
    s:close()
  end)
end)

test.case('a client of Copas, in Copas\' own thread', function()
  local answer
  copas.addthread(function()
    local s = socket.tcp()
    assert(copas.connect(s, '127.0.0.1', port))
    local client = copas.wrap(s)
    client:send('by copas\n')
    answer = client:receive()
    s:close()
  end)
  test.eventually(function() return answer end)
  test.equal(answer, 'BY COPAS')
end)

test.case('1 MiB through Copas', function()
  local text = ('0123456789abcdef'):rep(1 << 16)
  local s = assert(socket.connect('127.0.0.1', port))
  s:settimeout(10)
  local sender = fiber.spawn(function() return s:send(text .. '\n') end)
  test.ok(s:receive() == text:upper())
  test.equal(sender:join(10), true)
  s:close()
end)

loop:cancel()
server:close()
test.finish()
