-- mona_load_test.lua: a thousand connections at once through MonaServer's and CumulusServer's
-- objects.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local base = require 'coir.compat.base'
local crowd = require 'crowd'
local cumulus = require 'coir.compat.cumulus'
local fiber = require 'fiber'
local loopback = require 'loopback'
local mona = require 'coir.compat.mona'

base.log.sink = function() end -- handlers fail on purpose

local function handle(self, data)
  fiber.sleep(0.005)
  if data:find '^error' then error(data) end
  self:send(data)
end

local function mona_port()
  local server = mona:createTCPServer()
  function server:onConnection(client) client.onData = handle end
  assert(server:start('127.0.0.1', 0))
  return tonumber(server.address:match '%d+$')
end

--- Cumulus takes no port 0, so that one is looked for.
local function cumulus_port()
  local server = cumulus:createTCPServer()
  function server:clientHandler(client) client.onReception = handle end
  repeat
    local listener, port = loopback.listener('0.0.0.0')
    listener:close()
  until server:start(port)
  return server.port
end

local ports = { mona = mona_port(), cumulus = cumulus_port() }

for name, port in pairs(ports) do
  test.case('a thousand connections to ' .. name, function() crowd.gather(port, 1000) end)
end

test.case('a thousand clients of the systems themselves', function()
  local port, ended, right = ports.mona, 0, 0
  for i = 1, 500 do
    for _, make in ipairs { function() return mona:createTCPClient(), 'onData' end,
                            function() return cumulus:createTCPClient(), 'onReception' end } do
      local client, event = make()
      client[event] = function(self, data)
        if #data < 8 then return #data end
        if data == ('%08d'):format(i) then right = right + 1 end
        self:disconnect()
        return 0
      end
      function client.onDisconnection() ended = ended + 1 end
      client:connect('127.0.0.1', port)
      client:send(('%08d'):format(i))
    end
  end
  test.eventually(function() return ended == 1000 end)
  test.equal(right, 1000)
end)

test.finish()
