-- echo.lua: the TCP echo server of ../coir, through the module of another system: `mona`,
-- `cumulus`, `netnet` or `tinn`, as arg[1]. It prints `port N`.

local fiber = require 'fiber'
local socket = require 'socket'

local servers = {}

function servers.mona()
  local mona = require 'coir.compat.mona'
  local server = mona:createTCPServer()
  function server.onConnection(_, client)
    function client:onData(data) self:send(data) end
  end
  assert(server:start('127.0.0.1', 0))
  return server.address:match '%d+$'
end

--- Cumulus takes no port 0: one that was free a moment ago.
function servers.cumulus()
  local cumulus = require 'coir.compat.cumulus'
  local server = cumulus:createTCPServer()
  function server.clientHandler(_, client)
    function client:onReception(data) self:send(data) end
  end
  local s <close> = assert(socket('AF_INET', 'SOCK_STREAM'))
  assert(s:bind('127.0.0.1', 0))
  local port = s:name().port
  s:close()
  assert(server:start(port))
  return port
end

local function serve(listener, accept, receive, send)
  fiber.new(function()
    while true do
      local s = assert(accept(listener))
      fiber.new(function()
        local buffer = require('coir.compat.netnet').ffi.new('uint8_t[65536]')
        while true do
          local n = receive(s, buffer)
          if not n or n == 0 then break end
          send(s, buffer, n)
        end
        s:CloseDown()
      end)
    end
  end)
end

function servers.netnet()
  local netnet = require 'coir.compat.netnet'
  local listener = assert(netnet.CreateTcpServerSocket { port = 0, backlog = 1024, nodelay = true })
  serve(listener, listener.Accept, listener.Receive, listener.Send)
  return listener:GetLocalPort()
end

function servers.tinn()
  local NativeSocket = require('coir.compat.netnet.tinn').NativeSocket
  local listener = assert(NativeSocket:createServer { port = 0, backlog = 1024, nodelay = true })
  serve(listener, listener.Accept, listener.receive, listener.send)
  return listener:getLocalPort()
end

print('port ' .. servers[arg[1]]())
io.stdout:flush()
