-- udp_echo.lua: sends every datagram back to where it came from.
--
--     coir examples/udp_echo.lua [HOST [PORT]]
--
-- HOST is a numeric address, 127.0.0.1 if none is given; PORT is 7003, and 0 lets the system choose.
-- Prints `listening on HOST:PORT`. Ctrl-C ends it.
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7003

local family = host:find(':', 1, true) and 'AF_INET6' or 'AF_INET'
local server = assert(socket(family, 'SOCK_DGRAM', 'udp'))
assert(server:bind(host, port))
print(('listening on %s:%d'):format(server:name().host, server:name().port))
io.stdout:flush()

while true do
  -- Without a size, recvfrom takes the whole datagram, however large. An empty one is one, too.
  local data, from = assert(server:recvfrom())
  local sent, problem = server:sendto(from.host, from.port, data)
  if not sent then io.stderr:write(('%s:%d: %s\n'):format(from.host, from.port, problem)) end
end
