-- udp_echo.lua: sends every datagram back to where it came from.
--
--     coir examples/udp_echo.lua [HOST [PORT]]
--
-- HOST is a name or an address, 127.0.0.1 if none is given; PORT is 7003, and 0 lets the system choose.
-- Prints `listening on HOST:PORT`. Ctrl-C ends it.
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7003

--- Called for each datagram, an empty one, too; the answer leaves from the address that was asked.
local function answer(data, from, s)
  local sent, problem = s:sendto(from.host, from.port, data)
  if not sent then io.stderr:write(('%s:%d: %s\n'):format(from.host, from.port, problem)) end
end

local server = assert(socket.udp_server(host, port, answer))
print(('listening on %s:%d'):format(server:name().host, server:name().port))
io.stdout:flush()
