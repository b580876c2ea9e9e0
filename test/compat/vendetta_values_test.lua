-- vendetta_values_test.lua: what remote calls carry: values and errors.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
require 'vendetta'
local remote = require 'remote'
local test = require 'test'

local with = remote.with

-- -- Values -----------------------------------------------------------------------------------------

local deep = {}
do
  local inner = deep
  for i = 1, 50 do
    inner.next = { value = i }
    inner = inner.next
  end
end

for about, values in pairs {
  ['nothing'] = { n = 0 },
  ['nil'] = { n = 1 },
  ['a hole'] = { n = 3, 'x', nil, 'z' },
  ['a nil at the end'] = { n = 2, 'x', nil },
  ['only nils'] = { n = 4 },
  ['booleans'] = { n = 2, true, false },
  ['integers'] = { n = 5, 0, -1, math.maxinteger, math.mininteger, 9007199254740993 },
  ['floats'] = { n = 8, 0.1, -0.5, 1e300, 5e-324, math.pi, 1 / 3, 0.1 + 0.2, -1e-7 },
  ['whole floats'] = { n = 3, 1.0, -2.0, 1e15 },
  ['text'] = { n = 3, '', 'text', 'with "quotes" \\ and / slashes' },
  ['control characters'] = { n = 1, '\0\1\n\r\t\b\f\31\127' },
  ['Unicode'] = { n = 4, 'Grüße', '日本語', '😀', '\u{2028}\u{2029}\u{FEFF}' },
  ['bytes that are no UTF-8'] = { n = 1, '\128\255\254\192' },
  ['an empty table'] = { n = 1, {} },
  ['an array'] = { n = 1, { 1, 2, 3 } },
  ['an array of arrays'] = { n = 1, { {}, { {} }, { 1, { 2 } } } },
  ['an object'] = { n = 1, { a = 1, b = { c = 'd' } } },
  ['odd keys'] = { n = 1, { [''] = 1, ['a b'] = 2, ['ü'] = 3, ['"'] = 4 } },
  ['a depth of fifty'] = { n = 1, deep },
  ['a field n'] = { n = 4, { n = 3, a = 1 }, { n = 2 }, { n = 0.5 }, { { n = 7, x = { n = 0 } } } },
  ['the sample of the page'] = { n = 3, 'any', { arguments = true }, 23894 },
} do
  test.case('values arrive and return: ' .. about, function()
    with({}, function(rpc)
      local back = table.pack(rpc:echo(table.unpack(values, 1, values.n)))
      test.equal(back, values)
      for i = 1, values.n do test.equal(math.type(back[i]), math.type(values[i])) end
      test.equal(rpc:count(table.unpack(values, 1, values.n)), values.n)
    end)
  end)
end

test.case('a table with holes, and one with both kinds of keys, become objects with text for keys', function()
  with({}, function(rpc)
    test.equal(rpc:echo { 1, nil, 3 }, { ['1'] = 1, ['3'] = 3 })
    test.equal(rpc:echo { 1, a = 2 }, { ['1'] = 1, a = 2 })
    test.equal(rpc:echo { [1.5] = 1 }, { ['1.5'] = 1 })
    test.equal(rpc:echo { n = 1, 'x' }, { n = 1, ['1'] = 'x' })
  end)
end)

test.case('a table twice in one call is no cycle', function()
  with({}, function(rpc)
    local shared = { 1 }
    test.equal(rpc:echo { shared, shared }, { { 1 }, { 1 } })
  end)
end)

local cycle = {}
cycle[1] = { cycle }
for about, value in pairs {
  ['functions'] = print,
  ['a cycle'] = cycle,
  ['NaN'] = 0 / 0,
  ['an infinity'] = math.huge,
  ['minus infinity'] = -math.huge,
  ['a thread'] = coroutine.create(print),
  ['userdata'] = io.stdout,
  ['a function in a table'] = { { print } },
  ['a boolean for a key'] = { [true] = 1 },
  ['a table for a key'] = { [{}] = 1 },
  ['a key as number and text'] = { [3] = 1, ['3'] = 2 },
} do
  test.case('not to be sent: ' .. about, function()
    local seen = 0
    with({ see = function() seen = seen + 1 end }, function(rpc)
      test.raises('JSON has no', rpc.see, rpc, value)
      rpc:echo()
      test.equal(seen, 0)
    end)
  end)
end

-- -- Errors -----------------------------------------------------------------------------------------

for about, case in pairs {
  ['a text'] = { 'boom', 'boom' },
  ['a table'] = { { code = 7 }, '{"code":7}' },
  ['a number'] = { 7, '7' },
  ['nothing'] = { nil, 'null' },
} do
  test.case('a method that raises ' .. about .. ' raises in the caller', function()
    with({ f = function() error(case[1]) end }, function(rpc)
      local ok, problem = pcall(rpc.f, rpc)
      test.equal(ok, false)
      test.ok(problem:find(case[2], 1, true), problem)
    end)
  end)
end

test.case('an error object is sent as its text', function()
  local object = setmetatable({}, { __tostring = function() return 'I am the error' end })
  with({ f = function() error(object) end }, function(rpc)
    test.raises('I am the error', rpc.f, rpc)
  end)
end)

test.case('an unknown method is named', function()
  with({}, function(rpc)
    test.raises('nosuchmethod', rpc.nosuchmethod, rpc)
    test.equal(rpc:echo('goes on'), 'goes on')
  end)
end)

test.case('a result that cannot be sent is an error', function()
  with({}, function(rpc) test.raises('JSON has no values of type function', rpc.lua_function, rpc) end)
end)

test.case('a call with a dot is explained', function()
  with({}, function(rpc)
    test.raises('call it as rpc:echo', rpc.echo, 'x')
    test.raises('call it as rpc:echo', rpc.echo)
  end)
end)

test.case('methods of any name, also those of tables and text', function()
  with({ ['a b'] = function() return 1 end, __index = function() return 2 end, conn = function() return 3 end },
    function(rpc)
      test.equal(rpc['a b'](rpc), 1)
      test.equal(rpc.__index(rpc), 2)
      test.equal(rpc:conn(), 3)
    end)
end)

test.finish()
