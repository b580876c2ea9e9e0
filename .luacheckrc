std = 'lua54'
max_line_length = false  -- a message or a table is not folded for its own sake
files['lua_modules/coir/compat/tarantool.lua'] = { globals = { 'box' } }
-- Scripts for Vendetta.
files['test/compat/vendetta_exhausted.lua'] = { read_globals = { 'TCPSocket' } }
files['bench/peers/vendetta'] = { read_globals = { 'TCPSocket', 'TCP' } }
-- Scripts that Tarantool runs too, in its dialect.
files['test/tarantool'] = { std = 'lua51+lua54', read_globals = { 'box' } }
-- Some of these are broken on purpose.
exclude_files = { 'test/cli/scripts' }
-- A child process in a `<close>` variable is used by being there.
files['test/examples'] = { ignore = { '211' } }
-- Methods of these systems have the object as first argument, also where it is not needed.
files['lua_modules/coir/compat'] = { self = false }
-- The samples' own names hide others.
files['test/compat'] = { self = false, ignore = { '431' } }
