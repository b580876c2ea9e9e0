-- port_scanner.lua: finds the open TCP ports of a host, 500 at a time.
--
--     coir examples/port_scanner.lua [HOST [FIRST [LAST]]]
--
-- HOST is a name or an address, 127.0.0.1 if none is given; FIRST and LAST are 1 and 65535. Prints the
-- open ports in ascending order, and to stderr how long it took. Scan only hosts that are yours.
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local workers = 500
local timeout = 1 -- seconds that a port may take to answer

local host = arg[1] or '127.0.0.1'
local first, last = tonumber(arg[2] or 1), tonumber(arg[3] or 65535)
assert(first and last and first >= 1 and last <= 65535, 'ports are numbers from 1 to 65535')

-- What says that a port is closed. A reset comes from a server that has just gone.
local is_refusal = {
  [errno.ECONNREFUSED] = true,
  [errno.ECONNRESET] = true,
  [errno.EHOSTUNREACH] = true,
  [errno.ETIMEDOUT] = true,
}

--- True when somebody listens there. What is neither yes nor no (bad address, no descriptor) raises.
local function is_open(port)
  local s <close>, problem, code = socket.tcp_connect(host, port, timeout)
  if not s and not is_refusal[code] then error(problem, 0) end
  return s ~= nil
end

local open = {}
local next_port = first

--- Takes one port after the other. Nothing waits between reading the counter and changing it, so no two
--- fibers get the same port.
local function work()
  while next_port <= last do
    local port = next_port
    next_port = port + 1
    if is_open(port) then open[#open + 1] = port end
  end
end

local began = fiber.clock()
local crew = {}
for i = 1, math.min(workers, last - first + 1) do crew[i] = assert(fiber.spawn(work)) end
for _, worker in ipairs(crew) do
  local ok, problem = worker:join()
  if not ok then
    io.stderr:write('port_scanner: ', tostring(problem), '\n')
    os.exit(1)
  end
end

table.sort(open)
for _, port in ipairs(open) do print(port) end
io.stderr:write(('%d of %d ports are open; %.2f s\n'):format(#open, last - first + 1, fiber.clock() - began))
