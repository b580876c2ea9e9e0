-- netnet_load_test.lua: a thousand connections at once, and twenty thousand one after the other.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local base = require 'coir.compat.base'
local crowd = require 'crowd'
local fiber = require 'fiber'
local netnet = require 'coir.compat.netnet'
local tinn = require 'coir.compat.netnet.tinn'
local ffi = netnet.ffi

base.log.sink = function() end -- handlers fail on purpose

--- Echoes in blocking style, one fiber for each connection.
local function blocking_server()
  local listener = netnet.CreateTcpServerSocket(0, 1024)
  local function serve(s)
    local buff = ffi.new('uint8_t[1024]')
    while true do
      local n = s:Receive(buff, 1024)
      if not n or n == 0 then break end
      fiber.sleep(0.005)
      if ffi.string(buff, 5) == 'error' then break end
      s:Send(buff, n)
    end
    s:CloseDown()
  end
  fiber.new(function()
    while true do fiber.new(serve, assert(listener:Accept())) end
  end)
  return listener:GetLocalPort()
end

--- Echoes in a polling loop over all connections.
local function polling_server()
  local listener = netnet.CreateTcpServerSocket { port = 0, backlog = 1024, nonblocking = true }
  local buff = ffi.new('uint8_t[1024]')
  fiber.new(function()
    local open = {}
    while true do
      local s = listener:Accept()
      while s do
        open[s] = true
        s = listener:Accept()
      end
      for one in pairs(open) do
        local n, err = one:Receive(buff, 1024)
        if n and n > 0 and ffi.string(buff, 5) ~= 'error' then
          one:Send(buff, n)
        elseif err ~= 'wouldblock' then
          one:CloseDown()
          open[one] = nil
        end
      end
    end
  end)
  return listener:GetLocalPort()
end

local function tinn_server()
  local server = tinn.SocketServer(0, function(fd)
    local stream = tinn.NetStream(tinn.NativeSocket:init(fd, true))
    while true do
      local line = stream:readLine()
      if not line or line == '' then break end
      tinn.Application:sleep(5)
      if line:find '^error' then
        stream:closeDown()
        error(line)
      end
      stream:writeString(line .. '\n')
    end
    stream:closeDown()
  end)
  fiber.new(server.loop, server)
  return server.ServerSocket:getLocalPort()
end

test.case('a thousand connections to a blocking server', function() crowd.gather(blocking_server(), 1000) end)

test.case('a thousand connections to a polling loop', function() crowd.gather(polling_server(), 1000) end)

test.case("a thousand connections to TINN's server", function() crowd.gather(tinn_server(), 1000) end)

local ports = { blocking = blocking_server(), tinn = tinn_server() }

for name, port in pairs(ports) do
  for round = 1, 2 do -- so that each case has time enough on a busy machine
    test.case(('five thousand one after the other, %s, round %d'):format(name, round), function()
      crowd.churn(port, 5000)
    end)
  end
end

test.finish()
