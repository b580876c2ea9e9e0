-- vendetta_churn_test.lua: twenty thousand connections one after the other, for each layer.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local base = require 'coir.compat.base'
local crowd = require 'crowd'
local tcpsock = require 'coir.compat.vendetta.tcpsock'
local test = require 'test'

local function raw_server()
  local listening, port = vendetta.listener()
  listening:SetConnectHandler(function()
    local tcp = listening:Accept()
    if not tcp then return end
    tcp:SetReadHandler(function()
      local data, code = tcp:Recv()
      if data then tcp:Send(data) elseif code then tcp:Disconnect() end
    end)
  end)
  return port
end

local function line_server()
  return vendetta.port(tcpsock.make_server(0, nil, function(conn, line) conn:Send(line .. '\n') end))
end

for about, start in pairs { ['the raw class'] = raw_server, ['the line layer'] = line_server } do
  for round = 1, 2 do
    test.case(('ten thousand connections one after the other, %s, round %d'):format(about, round), function()
      crowd.churn(start(), 10000)
      for tcp in pairs(base.kept) do tcp:Disconnect() end
    end)
  end
end

test.finish()
