-- echo.lua: a TCP echo server, one fiber for each connection. It prints `port N`.
--
-- bench/run_echo compares what a request costs it with what it costs a server in C.

local fiber = require 'fiber'
local socket = require 'socket'

local function echo(client)
  while true do
    local data = client:read_any(65536)
    if not data or data == '' then break end
    client:write(data)
  end
  client:close()
end

local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
assert(listener:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true))
assert(listener:setsockopt('IPPROTO_TCP', 'TCP_NODELAY', true)) -- connections inherit it
assert(listener:bind('127.0.0.1', 0))
assert(listener:listen(4096))
print('port ' .. listener:name().port)
io.stdout:flush()

while true do
  fiber.create(echo, assert(listener:accept()))
end
