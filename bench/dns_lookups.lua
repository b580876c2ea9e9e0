-- dns_lookups.lua: what does a name look-up cost beyond the two datagrams that it takes?
--
-- Usage: coir bench/dns_lookups.lua [look-ups [at a time]]; 10,000 and 100 unless told. A server
-- (nsd) is started on a free port of this machine; every name is another one. The yardstick: as
-- many fibers send a query that is ready made from a socket of their own and wait for the answer.
local here = arg[0]:gsub('[^/]*$', '')
package.path = ('%s?.lua;%s../test/dns/?.lua;%s../test/peers/?.lua;%s../test/lua/?.lua;%s')
  :format(here, here, here, here, package.path)
local dns = require 'coir.dns'
local fiber = require 'fiber'
local message = require 'message'
local peer = require 'peer'
local nameserver = require 'nameserver'
local socket = require 'socket'

local count = math.tointeger(tonumber(arg[1])) or 10000
local at_a_time = math.tointeger(tonumber(arg[2])) or 100
local turns = 5
local hints = { family = 'AF_INET', type = 'SOCK_STREAM' }

--- CPU time, in microseconds, of one of `count` things that `work` does.
local function cost(work)
  collectgarbage()
  local began = os.clock()
  work()
  return (os.clock() - began) * 1e6 / count
end

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

--- Calls work(i) for i from 1 to `count`, in as many fibers as are to work at a time.
local function in_fibers(work)
  local i = 0
  peer.all(at_a_time, function(one)
    local own = work(one)
    while i < count do
      i = i + 1
      own(i)
    end
  end)
end

local function look_up()
  dns.flush()
  in_fibers(function()
    return function(i) assert(socket.getaddrinfo(('n%d.test'):format(i), 80, 30, hints)) end
  end)
end

local function exchange(port)
  in_fibers(function()
    local s = assert(socket('AF_INET', 'SOCK_DGRAM', 'udp'))
    assert(s:sysconnect('127.0.0.1', port))
    return function(i)
      local query = string.pack('>I2I2I2I2I2I2', i & 0xffff, 0x0100, 1, 0, 0, 0)
        .. message.name(('n%d.test'):format(i)) .. '\0\1\0\1'
      assert(s:send(query))
      assert(s:recv(512, 30))
    end
  end)
end

local zone = {}
for i = 1, count do zone[i] = ('n%d IN A 192.0.2.1\n'):format(i) end

nameserver.with(table.concat(zone), function(server)
  local ours, theirs, ratios, rates = {}, {}, {}, {}
  for turn = 1, turns do
    theirs[turn] = cost(function() exchange(server.port) end)
    local began = fiber.clock()
    ours[turn] = cost(look_up)
    rates[turn] = count / (fiber.clock() - began)
    ratios[turn] = theirs[turn] / ours[turn]
  end
  local ratio = median(ratios) -- sorts them
  print(('%d look-ups, %d at a time, datagrams alone = 1.00: %.2f (%.2f to %.2f)'):format(count,
    at_a_time, ratio, ratios[1], ratios[turns]))
  print(('  note: CPU time of a look-up %.1f us, of two datagrams %.1f us; %.0f look-ups/s'):format(
    median(ours), median(theirs), median(rates)))
end)
os.exit(0)
