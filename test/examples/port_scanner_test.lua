-- port_scanner_test.lua: examples/port_scanner.lua finds what listens, and nothing else.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. here .. '../lua/?.lua;' .. package.path
local example = require 'example'
local loopback = require 'loopback'
local test = require 'test'

-- An address of this machine on which no other test listens: scanning them would take their connections.
local own = '127.54.3.2'
if not pcall(loopback.listener, own) then own = '127.0.0.1' end -- only Linux has more than one

local function scan(...)
  local scanner <close> = example.lua('port_scanner.lua', ...)
  return scanner:wait()
end

test.case('it finds the ports on which somebody listens, in ascending order', function()
  local listeners, ports = {}, {}
  for i = 1, 5 do listeners[i], ports[i] = loopback.listener(own) end
  table.sort(ports)
  local status, out, err = scan(own, ports[1], ports[5])
  test.ok(status == 0, err)
  local found, last = {}, 0
  for port in out:gmatch('(%d+)\n') do
    found[tonumber(port)] = true
    test.ok(tonumber(port) > last)
    last = tonumber(port)
  end
  for _, port in ipairs(ports) do test.ok(found[port], port) end
  test.match(err, ('^%%d+ of %d ports are open; %%d+%%.%%d+ s\n$'):format(ports[5] - ports[1] + 1))
  for _, listener in ipairs(listeners) do listener:close() end
end)

test.case('a port that is bound but not listened on is closed', function()
  local listener, port = loopback.listener(own)
  listener:close()
  local status, out, err = scan(own, port, port)
  test.equal({ status, out }, { 0, '' })
  test.match(err, '^0 of 1 ports are open; 0%.%d%d s\n$')
end)

test.case('all ports of this machine take a few seconds', function()
  local listener, port = loopback.listener(own)
  local status, out, err = scan(own)
  test.ok(status == 0, err)
  test.ok(('\n' .. out):find(('\n%d\n'):format(port)))
  listener:close()
end)

test.case('bad arguments end it with a clear error', function()
  local status, _, err = scan('a..b', 1, 10)
  test.equal(status, 1)
  test.match(err, '^port_scanner: cannot resolve a..b:%d+: [^\n]+\n$')
  for _, range in ipairs { { 0, 10 }, { 1, 65536 }, { 'x', 10 } } do
    status, _, err = scan(own, range[1], range[2])
    test.equal(status, 1)
    test.match(err, 'ports are numbers from 1 to 65535')
  end
end)

test.finish()
