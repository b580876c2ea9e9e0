-- line.lua: answers every line with itself, with Tarantool's socket.tcp_server. It prints `port N`.

local socket = require 'socket'

local function serve(client)
  while true do
    local line = client:read('\n')
    if not line or line == '' or not client:write(line) then return end
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
