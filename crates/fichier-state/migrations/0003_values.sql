-- What was read out of sentences is kept as values.

-- What a mirror waits for a person for becomes a value where it was a sentence: JSON, as `Held` of
-- the daemon has it. These are the sentences of the releases before; one that is none of them is
-- forgotten, and the next cycle finds the cause again.
UPDATE mirrors SET held = CASE
    WHEN held GLOB '[0-9]* removals are held: more than [0-9]* within 24 hours.*' THEN
        json_object('removals', json_object(
            'removals', CAST(held AS INTEGER),
            'limit', CAST(substr(held, instr(held, 'more than ') + 10) AS INTEGER)))
    WHEN held GLOB 'the source * does not exist; *' THEN
        json_object('source', json_object(
            'kind', 'source_missing', 'cause', substr(held, 1, instr(held, '; ') - 1)))
    WHEN held GLOB 'cannot open the watched folder: No such file*' THEN
        json_object('source', json_object('kind', 'source_missing', 'cause', held))
    WHEN held GLOB 'the source * is empty, but *' THEN
        json_object('source', json_object(
            'kind', 'source_empty', 'cause', substr(held, 1, instr(held, '; ') - 1)))
    WHEN held GLOB 'the source * cannot be read; *' THEN
        json_object('source', json_object(
            'kind', 'source_unreadable',
            'cause', replace(held, '; look at its permissions and at its disk', '')))
    WHEN held GLOB 'cannot open the watched folder: *'
      OR held GLOB 'cannot look through the watched folder: *' THEN
        json_object('source', json_object('kind', 'source_unreadable', 'cause', held))
    WHEN held GLOB 'the source *; *' THEN
        json_object('source', json_object(
            'kind', 'source_changed', 'cause', substr(held, 1, instr(held, '; ') - 1)))
    WHEN held GLOB 'the target belongs to another installation of fichierd (*); *' THEN
        json_object('target', json_object('owned_by_another', json_object(
            'other', substr(held, 57, instr(held, '); ') - 57))))
    WHEN held GLOB 'another machine works on the target, *' THEN
        json_object('target', 'other_machine')
    WHEN held GLOB 'two copies of this installation work on the target, *' THEN
        json_object('target', 'other_copy')
    WHEN held GLOB 'the target folder is no longer on 1fichier; *' THEN
        json_object('target', 'gone')
END
WHERE held IS NOT NULL;

-- 1: when the problem is due, the whole mirror is looked at and not the path alone.
ALTER TABLE problems ADD COLUMN is_wide INTEGER NOT NULL DEFAULT 0 CHECK (is_wide IN (0, 1));
UPDATE problems SET is_wide = 1 WHERE what = 'the service did not move or rename the file';

-- What was met when a name was taken stood in a note of its own, without a date. It joins the
-- answers about the service, with the date of the newest moment, by which it was known. An answer
-- of the probe that means the same stays: it is more exact.
WITH known (answers) AS (
    SELECT ifnull((
        SELECT value FROM notes
        WHERE key = 'traits of the service'
          AND CASE WHEN json_valid(value) THEN json_type(value) END = 'object'
    ), '{}')
)
INSERT INTO notes (key, value)
SELECT 'traits of the service', json_set(known.answers, '$.name_taken', json_object(
        'is', CASE met.value WHEN 'twins' THEN 'twins' ELSE 'must_be_free' END,
        'at_s', (SELECT at_s FROM moments ORDER BY id DESC LIMIT 1),
        'by', 'work'))
FROM notes AS met, known
WHERE met.key = 'name_taken' AND met.value IN ('twins', 'must be free')
  AND ifnull(
        (json_extract(known.answers, '$.name_taken.is') = 'twins') <> (met.value = 'twins'), 1)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;
DELETE FROM notes WHERE key = 'name_taken';
