-- copas_test.lua: a server under Copas, whose loop waits in LuaSocket's select(), and its clients,
-- which block on LuaSocket, in one process.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local others = require 'others'
local coir = require 'coir'
local fiber = require 'fiber'
local test = require 'test'
local peer = others.peer

local socket = others.use_luasocket()
local copas = require 'copas'
print(copas._VERSION)

local server = assert(socket.bind('127.0.0.1', 0))
local _, port = server:getsockname()
local served = 0

copas.addserver(server, function(plain)
  local s = copas.wrap(plain)
  while true do
    local line = s:receive('*l')
    if not line then return end
    served = served + 1
    s:send(line:upper() .. '\n')
  end
end)
local loop = fiber.create(function()
  while true do copas.step(10) end
end)

others.case('Copas: 20 clients, 50 questions each', 5, function()
  peer.all(20, function(i)
    local s = assert(socket.connect('127.0.0.1', port))
    for n = 1, 50 do
      local line = ('client %d line %d'):format(i, n)
      assert(s:send(line .. '\n'))
      test.equal(s:receive('*l'), line:upper())
    end
    s:close()
  end)
end)

test.case('Copas: clients that pause', function()
  peer.all(8, function(i)
    local s = assert(socket.connect('127.0.0.1', port))
    assert(s:send('half '))
    socket.sleep(0.05)
    assert(s:send('line ' .. i .. '\n'))
    test.equal(s:receive('*l'), 'HALF LINE ' .. i)
    s:close()
  end)
end)

test.case('all were served, and select() has waited', function()
  test.equal(served, 5 * 20 * 50 + 8)
  test.ok(coir.hooks().select.parked > 5)
end)

loop:cancel()
test.finish()
