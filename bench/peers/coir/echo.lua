-- echo.lua: sends back what arrives, one fiber for each connection. It prints `port N`.

local socket = require 'socket'

local function prepare(s)
  s:setsockopt('IPPROTO_TCP', 'TCP_NODELAY', true) -- connections inherit it
  return 4096
end

local function serve(client)
  repeat
    local data = client:read_any()
  until not data or data == '' or not client:write(data)
end

local server = assert(socket.tcp_server('127.0.0.1', 0, { handler = serve, prepare = prepare }))
print('port ' .. server:name().port)
io.stdout:flush()
