-- tcp_proxy.lua: passes every connection on to another server, both ways.
--
--     coir examples/tcp_proxy.lua [HOST [PORT [TARGET_HOST [TARGET_PORT]]]]
--
-- Listens on HOST (127.0.0.1) and PORT (7002; 0 lets the system choose) and connects to TARGET_HOST
-- (127.0.0.1) and TARGET_PORT (7000, where echo_server.lua is). Hosts are names or addresses.
-- Prints `listening on HOST:PORT`, and a line for each connection. Ctrl-C ends it.
local fiber = require 'fiber'
local socket = require 'socket'

local host, port = arg[1] or '127.0.0.1', arg[2] or 7002
local target_host, target_port = arg[3] or '127.0.0.1', arg[4] or 7000
local connect_timeout = 5 -- seconds

io.stdout:setvbuf('line')

--- Carries bytes one way until their source ends, then says so to their destination. Returns how many.
local function pump(from, to)
  local total = 0
  while true do
    local data = from:read_any()
    if not data or data == '' or not to:write(data) then break end
    total = total + #data
  end
  to:shutdown('W')
  return total
end

--- The two ways run in two fibers: one end may go on speaking when the other has said all.
local function serve(client, peer)
  local target <close>, problem = socket.tcp_connect(target_host, target_port, connect_timeout)
  if not target then
    print(('%s:%d: %s'):format(peer.host, peer.port, problem))
    return
  end
  local there = fiber.spawn(pump, client, target)
  local received = pump(target, client)
  local _, sent = there:join()
  print(('%s:%d: %d bytes there, %d back'):format(peer.host, peer.port, sent, received))
end

local server = assert(socket.tcp_server(host, port, serve))
print(('listening on %s:%d'):format(server:name().host, server:name().port))
