-- echo.lua: sends back what arrives, with Tarantool's socket.tcp_server. It prints `port N`.
--
-- A connection is read with sysread: read() waits until it has as many bytes as were asked for.

local socket = require 'socket'

local function serve(client)
  while true do
    local data = client:sysread(65536)
    if data == '' then return end
    if data then
      if not client:write(data) then return end
    elseif not client:readable() then
      return
    end
  end
end

local server = assert(socket.tcp_server('127.0.0.1', 0, {
  handler = serve,
  prepare = function(listener)
    listener:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true)
    listener:setsockopt('tcp', 'TCP_NODELAY', true) -- connections inherit it
    return 4096 -- how many may wait to be accepted
  end,
}))
print('port ' .. server:name().port)
io.stdout:flush()
