-- mona_churn_test.lua: twenty thousand connections one after the other to MonaServer's and
-- CumulusServer's servers.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local crowd = require 'crowd'
local cumulus = require 'coir.compat.cumulus'
local loopback = require 'loopback'
local mona = require 'coir.compat.mona'

local function echo(self, data) self:send(data) end

local function mona_port()
  local server = mona:createTCPServer()
  function server:onConnection(client) client.onData = echo end
  assert(server:start('127.0.0.1', 0))
  return tonumber(server.address:match '%d+$')
end

--- Cumulus takes no port 0, so that one is looked for.
local function cumulus_port()
  local server = cumulus:createTCPServer()
  function server:clientHandler(client) client.onReception = echo end
  repeat
    local listener, port = loopback.listener('0.0.0.0')
    listener:close()
  until server:start(port)
  return server.port
end

for name, port in pairs { mona = mona_port(), cumulus = cumulus_port() } do
  for round = 1, 4 do -- so that each case has time enough on a busy machine
    test.case(('five thousand one after the other to %s, round %d'):format(name, round), function()
      crowd.churn(port, 5000)
    end)
  end
end

test.finish()
