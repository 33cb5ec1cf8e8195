# fish completion for dbt-entrypoint: its options and verbs; what follows dbt's command is dbt's.

# The first word that is no option of ours: a verb, or dbt's command.
function __dbt_entrypoint_first
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --mode --settle --refresh-changed --warm --state-dir --on-empty --lock-timeout --shared-lock --history --history-bytes --state-mode --max-rebuild --max-rebuild-time --protect --approve --verify --max-missing --probe --dbt --stop-grace --stop-signal --on-exit --publish --termination-log --metrics-file --events --progress --log --log-level
                set skip 1
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

function __dbt_entrypoint_at
    test "$(__dbt_entrypoint_first)" = "$argv"
end

complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -f
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l mode -x -a 'auto full off' -d 'build changes, everything, or run dbt alone'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l full -d 'short for --mode full'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l no-state -d 'short for --mode off'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l only-changed -d 'narrow your own --select to changed nodes'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l settle -x -a 'doubt changes' -d 'what dbt compile may show to be unchanged'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l refresh-changed -x -a 'incremental materialized_view distributed_incremental' -d 'full-refresh changed nodes of these kinds'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l always-start -d 'start dbt even if nothing changed'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l warm -x -a 'off on' -d 'let dbt start from an earlier container\'s parse'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l state-dir -x -a '(__fish_complete_directories)' -d 'where the state volume is mounted'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l on-empty -x -a 'full adopt refuse' -d 'what to do if the volume is empty'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l allow-ephemeral -d 'accept state that is lost with the container'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l lock-timeout -x -d 'how long to wait for another run'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l shared-lock -x -a 'warn required' -d 'whether the lock has to hold on all nodes'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l history -x -d 'how many earlier baselines to keep'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l history-bytes -x -d 'how much room earlier baselines may take'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l state-mode -x -d 'who may read the baselines, such as 0640'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l max-rebuild -x -d 'refuse (77) to build more nodes than this'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l max-rebuild-time -x -d 'refuse (77) what would take longer'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l protect -x -d 'refuse (77) to build these nodes'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l yes -d 'build despite these limits'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l approve -x -d 'build the plan with this hash despite them'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l verify -x -d 'when to ask the warehouse what it holds'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l max-missing -x -d 'refuse (78) if more relations are missing'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l probe -x -d 'refuse (78) if this command fails'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l dbt -r -F -d 'the dbt program to run'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l stop-grace -x -d 'time from interrupting dbt to killing it'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l stop-signal -x -a 'INT TERM' -d 'the signal that dbt gets in place of TERM'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l on-exit -x -d 'run this when everything else is done'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l publish -x -d 'run this after each change of the baseline'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l termination-log -r -F -d 'write a short result here if the file exists'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l metrics-file -r -F -d 'write metrics for Prometheus here'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l events -r -F -d 'write what happens here, as JSON lines'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l progress -x -a 'auto plain off' -d 'how to show how far dbt has come'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l log -x -a 'human json' -d 'the format of our own log lines'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l log-level -x -a 'error warn info debug off' -d 'how much of them to show'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l help -d 'show this, all, or one option or verb'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -l version -d 'show the version'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a plan -d 'show what a run would build, and why'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l all -d 'list each node, however many there are'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l diff -d 'show what was edited in the code'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l markdown -d 'write Markdown, for a pull request'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l graph -x -a 'mermaid dot svg' -d 'draw what is built and why'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -l color -x -a 'auto always never' -d 'when to use colours'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a status -d 'show what the volume holds, and the last run'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at status' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a verify -d 'ask the warehouse for what was built'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at verify' -l record -d 'make the next run build what is missing'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at verify' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a orphans -d 'list relations that no node claims any more'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at orphans' -l sql -d 'print the statements that drop them'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at orphans' -l drop -d 'drop those that --approve names'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at orphans' -l approve -x -d 'the hash that `orphans` printed'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at orphans' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a history -d 'list the baselines, and how each came about'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at history' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a diff -d 'show what changed between two baselines'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at diff' -l json -d 'write one JSON object'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a rollback -d 'restore an earlier baseline; builds nothing'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a adopt -d 'record the project as built; builds nothing'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at adopt' -l from -r -F -d 'record what this manifest.json says'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at adopt' -l force -d 'replace the baseline that is there'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a invalidate -d 'make the next run build these nodes again'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a exec -d 'run any program as PID 1 should'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l rewrite -x -d 'forward signal A as B'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l group -d 'forward signals to the whole process group'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at exec' -l stop-grace -x -d 'kill the program this long after a stop request'
complete -c dbt-entrypoint -n '__dbt_entrypoint_at ""' -a 'run build seed snapshot retry test compile ls docs deps debug' -d dbt
complete -c dbt-entrypoint -n '__dbt_entrypoint_at plan' -f -a 'run build seed' -d dbt
