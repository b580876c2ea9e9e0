-- cumulus_test.lua: CumulusServer's page: its samples, and where its sockets differ from
-- MonaServer's.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local loggers = require 'loggers'
local loopback = require 'loopback'
local fiber = require 'fiber'
local socket = require 'socket'
local cumulus = require 'coir.compat.cumulus'

local NOTE, ERROR = cumulus.NOTE, cumulus.ERROR

--- A free port: Cumulus' servers take no port 0.
local function start(server)
  repeat
    local listener, port = loopback.listener('0.0.0.0')
    listener:close()
  until server:start(port)
  return server.port
end

-- -- The samples --------------------------------------------------------------------------------------

test.case("the page's TCP server and client talk to each other", function()
  -- Changed: the port, and locals instead of globals. What stands for `...` sends a message and
  -- waits for its echo; the client stops echoing after three.
  local server = cumulus:createTCPServer()
  function server:clientHandler(client)
    -- Here we have a TCPClient object, same usage than TCPClient
    function client:onReception(data)
      NOTE("Reception from "..self.peerAddress.." to "..self.address)
      self:send(data) -- echo sample
      return 0 -- return rest (all has been consumed here)
    end
    function client:onDisconnection()
      NOTE("TCP client disconnection")
    end
  end
  local port = start(server) -- start the server on the port 1234

  local done, count = fiber.cond(), 0
  local socket = cumulus:createTCPClient()
  function socket:onReception(data)
    NOTE("Reception from "..self.peerAddress.." to "..self.address)
    count = count + 1
    if count < 3 then self:send(data) else done:signal() end -- echo sample
    return 0 -- return rest (all has been consumed here)
  end
  function socket:onDisconnection()
    if self.error then -- error? or normal disconnection?
      ERROR(self.error)
    end
    NOTE("TCP disconnection")
  end
  local err = socket:connect("localhost",port)
  if err then ERROR(err) end
  socket:send('hello')
  done:wait()
  if socket.connected then -- useless if already disconnected
    socket:disconnect()
  end
  local lines = {}
  test.eventually(function()
    for _, line in ipairs(loggers.take()) do lines[#lines + 1] = line end
    return #lines >= 8
  end)
  test.equal({ #lines, lines[7], lines[8] },
    { 8, 'NOTE TCP disconnection', 'NOTE TCP client disconnection' })
  server:stop()
end)

test.case("the page's UDP samples", function()
  -- Changed: the port; the sample logs `error`, Lua's own function, and so always logs an ERROR.
  local socket = cumulus:createUDPSocket()
  function socket:onReception(data,address)
    NOTE("Reception from "..address)
    self:send(data,address) -- echo sample
  end
  local err = socket:bind("127.0.0.1:0") -- start the server
  if error then ERROR(err) end
  test.equal(loggers.take(), { 'ERROR (null)' })
  local echo = socket

  socket = cumulus:createUDPSocket()
  local done = fiber.cond()
  function socket:onReception(data,address)
    NOTE("Reception from "..address..": "..data)
    done:signal()
  end
  socket:connect("0.0.0.0:" .. echo.address:match '%d+$')
  NOTE("UDP socket opened on ",socket.address," connected to ",socket.peerAddress)
  socket:send("salut")
  done:wait()
  local lines = loggers.take()
  test.equal(lines[3], ('NOTE Reception from %s: salut'):format(echo.address))
  socket:close()
  echo:close()
end)

test.case('-l coir.compat.cumulus runs a script of globals as it stands', function()
  local result = child.run([[
    socket = cumulus:createUDPSocket()
    function socket:onReception(data,address)
      NOTE("Reception ", data)
      self:close()
    end
    err = socket:bind("127.0.0.1:0")
    if error then ERROR(err) end
    socket:send("to myself", socket.address)
  ]], '-l', 'coir.compat.cumulus')
  test.equal({ result.code, result.err }, { 0, 'ERROR (null)\nNOTE Reception to myself\n' })
end)

test.case('requiring it sets no globals', function()
  local env = {}
  cumulus.install(env)
  test.equal({ rawget(_G, 'cumulus'), env.cumulus == cumulus, type(env.NOTE), type(cumulus.WARN) },
    { nil, true, 'function', 'function' })
end)

-- -- Server -------------------------------------------------------------------------------------------

test.case('the port must be superior to 0', function()
  local server = cumulus:createTCPServer()
  test.equal({ server.port, server.running }, { 0, false })
  for _, wrong in ipairs { 0, -1, 'x', 0.5 } do
    loggers.take()
    test.equal(server:start(wrong), false)
    test.equal(loggers.take(), { 'ERROR TCPServer port have to be superior to 0' })
  end
  test.equal(server:start(), false)
  loggers.take()
  test.equal(server:start(70000), false)
  test.equal(#loggers.take(), 1)
end)

test.case('port stays after stop; start again moves; a taken port is false', function()
  local server, other = cumulus:createTCPServer(), cumulus:createTCPServer()
  local port = start(server)
  test.equal({ server.running, server.port }, { true, port })
  loggers.take()
  test.equal(other:start(port), false)
  test.match(loggers.take()[1], '^ERROR .*in use')
  test.equal(server:start(port), true)
  server:stop()
  test.equal({ server.running, server.port }, { false, port })
  test.equal(other:start(tostring(port)), true)
  other:stop()
end)

test.case('without clientHandler a connection is closed; with one the client outlives the server', function()
  local server = cumulus:createTCPServer()
  local port = start(server)
  local function connect()
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    s:sysconnect('127.0.0.1', port)
    return s
  end
  test.equal(connect():read(nil, 5), '')
  function server:clientHandler(client)
    function client:onReception(data) self:send(data:upper()) end
  end
  local s = connect()
  s:write 'a'
  test.equal(s:read(1, 5), 'A')
  server:stop()
  s:write 'b'
  test.equal(s:read(1, 5), 'B')
end)

test.case('disconnect inside clientHandler', function()
  local server, count = cumulus:createTCPServer(), 0
  function server:clientHandler(client)
    function client:onDisconnection() count = count + 1 end
    client:send 'no'
    client:disconnect()
    test.equal(count, 1)
  end
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', start(server))
  test.equal(s:read(nil, 5), 'no')
  test.equal(count, 1)
  server:stop()
end)

-- -- UDP ----------------------------------------------------------------------------------------------

test.case('UDP: what cannot be done, and in which words', function()
  local s, b = cumulus:createUDPSocket(), cumulus:createUDPSocket()
  test.equal(b:bind '127.0.0.1:0', nil)
  test.equal(b:bind(b.address), nil)
  test.equal(b:bind '127.0.0.1:0',
    ('UDPSocket already bound on %s, close the socket before'):format(b.address))
  test.equal(s:connect(b.address), nil)
  test.equal(s:bind '127.0.0.1:0', 'Impossible to bind a connected UDPSocket, close the socket before')
  loggers.take()
  test.equal(b:connect '127.0.0.1:5', nil)
  test.equal(b:send 'x', nil)
  test.equal(loggers.take(), {
    'ERROR Impossible to connect a bound UDPSocket, close the socket before',
    'ERROR Sending without recipient on a UDPSocket not connected',
  })
  for _, wrong in ipairs { 'nonsense', '127.0.0.1', '127.0.0.1:x', ':5' } do
    local fresh = cumulus:createUDPSocket()
    test.match(fresh:bind(wrong), 'Understandable address')
    test.match(fresh:connect(wrong), 'Understandable address')
    test.match(fresh:send('x', wrong), 'Understandable address')
  end
  test.equal({ s.disconnect, s.idleTime }, {})
  s:close()
  b:close()
end)

test.case('a UDP socket that is neither bound nor connected gets answers to what it has sent', function()
  local b, s, got = cumulus:createUDPSocket(), cumulus:createUDPSocket(), nil
  function b:onReception(data, address) self:send(data:upper(), address) end
  function s:onReception(data) got = data end
  b:bind '127.0.0.1:0'
  s:send('question', b.address)
  test.eventually(function() return got == 'QUESTION' end)
  s:close()
  b:close()
end)

-- -- Configuration ------------------------------------------------------------------------------------

test.case('a configuration like CumulusServer.ini', function()
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write ';CumulusServer.ini\nport = 1936\n[smtp]\nhost=smtp.isp.com\n ; a comment\nport = 2525\n\n[logs]\nname=log, with comma\n'
  file:close()
  test.equal({ cumulus.loadConfigs(path) }, { true })
  os.remove(path)
  test.equal(cumulus.configs.smtp, { host = 'smtp.isp.com', port = 2525, timeout = 60 })
  test.equal({ cumulus.configs.port, cumulus.configs.logs.name }, { 1936, 'log, with comma' })
  local ok, message = cumulus.loadConfigs(path)
  test.equal(ok, false)
  test.match(message, 'No such file')
  cumulus.configs.smtp = { host = 'localhost', port = 25, timeout = 60 }
end)

test.case('a configuration that is none', function()
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write '[smtp\nhost=x\n'
  file:close()
  local ok, message = cumulus.loadConfigs(path)
  os.remove(path)
  test.equal({ ok, (message:find(path, 1, true)) }, { false, 1 })
end)

test.finish()
