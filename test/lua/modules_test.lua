-- modules_test.lua: C modules of Debian, the module coir, and coir.compat.tarantool.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local fiber = require 'fiber'

--- A case that needs a Debian package.
local function with(package, name, body)
  local sentence = ('%s loads and works (%s)'):format(name, package)
  local found, module = pcall(require, name)
  if found then
    test.case(sentence, function() body(module) end)
  else
    test.skip(sentence, 'the package is not installed')
  end
end

with('lua-cjson', 'cjson', function(cjson)
  test.equal(cjson.decode('{"a": [1, 2, {"b": null}]}').a[2], 2)
  test.equal(cjson.encode({ 1, 'x', true }), '[1,"x",true]')
  test.equal({ fiber.spawn(cjson.decode, '[1]'):join() }, { true, { 1 } })
  test.raises('Expected value', cjson.decode, 'nonsense')
end)

with('lua-lpeg', 'lpeg', function(lpeg)
  test.equal(lpeg.match(lpeg.C(lpeg.R '09' ^ 1), '123abc'), '123')
end)

with('lua-filesystem', 'lfs', function(lfs)
  test.equal(lfs.attributes('/tmp', 'mode'), 'directory')
  local found = false
  for name in lfs.dir('/') do
    fiber.yield()
    found = found or name == 'tmp'
  end
  test.ok(found)
end)

with('lua-socket', 'mime.core', function(mime)
  test.equal((mime.b64('any carnal pleas')), 'YW55IGNhcm5hbCBwbGVhcw==')
end)

test.case('the modules have a common name, and requiring it sets no global', function()
  local coir = require 'coir'
  test.ok(rawequal(coir.socket, require 'socket'))
  test.ok(rawequal(coir.fiber, fiber))
  test.ok(rawequal(coir.errno, require 'errno'))
  test.equal({ rawget(_G, 'coir'), rawget(_G, 'box') }, {})
end)

-- -- coir.compat.tarantool ------------------------------------------------------------------------

test.case('coir.compat.tarantool has the modules, and sockets in immediate mode', function()
  local tarantool = require 'coir.compat.tarantool'
  local s = tarantool.socket('AF_INET', 'SOCK_STREAM', 'tcp')
  test.equal(s:nonblock(), true)
  local a, b = tarantool.socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
  test.equal({ a:nonblock(), b:nonblock() }, { true, true })
  test.fails('EAGAIN', a:sysread(1))
  local fd = a:detach()
  test.equal(tarantool.socket.from_fd(fd):nonblock(), true)
  test.equal(require 'socket' ('AF_INET', 'SOCK_STREAM', 'tcp'):nonblock(), false)
end)

test.case('its failures are those of the native functions', function()
  local tarantool = require 'coir.compat.tarantool'
  test.fails('EINVAL', tarantool.socket())
  test.fails('EBADF', tarantool.socket.from_fd(-1))
  test.fails('EOPNOTSUPP', tarantool.socket.socketpair('AF_INET', 'SOCK_STREAM', 0))
  test.equal(tarantool.socket.SHUT_WR, 1)
end)

test.case('its accepted sockets are in immediate mode too', function()
  local tarantool = require 'coir.compat.tarantool'
  local listener = tarantool.socket('AF_INET', 'SOCK_STREAM', 'tcp')
  listener:bind('127.0.0.1', 0)
  listener:listen()
  test.fails('EAGAIN', listener:accept())
  local client = tarantool.socket('AF_INET', 'SOCK_STREAM', 'tcp')
  client:sysconnect('127.0.0.1', listener:name().port)
  listener:readable(5)
  test.equal(listener:accept():nonblock(), true)
end)

test.case('box has the names of 1.6, and is a global only when asked for', function()
  local box = require 'coir.compat.tarantool'.box
  test.equal({ type(box.socket), box.fiber, box.errno },
    { 'table', require 'fiber', require 'errno' })
  test.equal(rawget(_G, 'box'), nil)
end)

test.case('-l coir.compat.tarantool installs the short names and box', function()
  local result = child.run([[
    local s = require 'socket' ('AF_INET', 'SOCK_STREAM', 'tcp')
    print(s:nonblock(), s:accept())
    print(box.socket == require 'socket', box.fiber == require 'fiber')
    print(box.errno == require 'errno')
    print(require 'coir.socket' ~= require 'socket')
    print(box.fiber.wrap == box.fiber.create)
  ]], '-l', 'coir.compat.tarantool')
  test.equal(result.err, '')
  test.equal(result.out, 'true\tnil\tInvalid argument\t22\ntrue\ttrue\ntrue\ntrue\ntrue\n')
end)

test.finish()
