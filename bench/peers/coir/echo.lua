-- echo.lua: sends back what arrives, one fiber for each connection. It prints `port N`.

local fiber = require 'fiber'
local socket = require 'socket'

local function serve(s)
  local client <close> = s
  repeat
    local data = client:read_any()
  until not data or data == '' or not client:write(data)
end

local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
assert(listener:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true))
assert(listener:setsockopt('IPPROTO_TCP', 'TCP_NODELAY', true)) -- connections inherit it
assert(listener:bind('127.0.0.1', 0))
assert(listener:listen(4096))
print('port ' .. listener:name().port)
io.stdout:flush()

while true do
  fiber.create(serve, assert(listener:accept()))
end
