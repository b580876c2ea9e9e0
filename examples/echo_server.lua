-- echo_server.lua: sends back whatever a client sends, for any number of clients at once.
--
--     coir examples/echo_server.lua [HOST [PORT]]
--
-- HOST is a numeric address, 127.0.0.1 if none is given; PORT is 7000, and 0 lets the system choose.
-- Prints `listening on HOST:PORT`. Ctrl-C ends it.
local fiber = require 'fiber'
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7000

local function listen()
  local family = host:find(':', 1, true) and 'AF_INET6' or 'AF_INET'
  local server = assert(socket(family, 'SOCK_STREAM', 'tcp'))
  assert(server:setsockopt('SOL_SOCKET', 'SO_REUSEADDR', true))
  assert(server:bind(host, port))
  assert(server:listen())
  return server
end

--- Serves one client until it has said all, or is gone. `<close>` closes the socket however this ends.
local function serve(s)
  local client <close> = s
  repeat
    local data = client:read_any()
  until not data or data == '' or not client:write(data)
end

local server = listen()
print(('listening on %s:%d'):format(server:name().host, server:name().port))
io.stdout:flush()

while true do
  local client, problem = server:accept()
  if client then
    fiber.create(serve, client)
  else
    -- Out of descriptors, most likely: some come back when clients leave.
    io.stderr:write('cannot accept: ', problem, '\n')
    fiber.sleep(0.1)
  end
end
