-- What must there be in Snowflake before gold tables can be loaded? custody warehouse setup prints it with the names
-- of a deployment, then the statements of each gold table, and of views. Run it again when contracts change: no table
-- is replaced. It needs the roles USERADMIN, SYSADMIN and ACCOUNTADMIN.
USE ROLE USERADMIN;
CREATE ROLE IF NOT EXISTS ${name}_OWNER COMMENT = 'Owns the schema of gold tables: creates and masks them';
CREATE ROLE IF NOT EXISTS ${name}_LOADER COMMENT = 'Loads gold tables, and creates none';
CREATE ROLE IF NOT EXISTS ${name}_READER COMMENT = 'Reads gold tables; personal data are NULL';
CREATE ROLE IF NOT EXISTS ${name}_PII_READER COMMENT = 'Sees personal data in the tables that another role may read';
CREATE ROLE IF NOT EXISTS ${name}_MONITOR COMMENT = 'Runs the queries of sql/warehouse';
-- It signs in with its key pair alone. docs/warehouse.md says how to make one, and ALTER USER … SET RSA_PUBLIC_KEY.
CREATE USER IF NOT EXISTS ${name}_LOADER TYPE = SERVICE DEFAULT_ROLE = ${name}_LOADER DEFAULT_WAREHOUSE = ${name}_LOAD;
GRANT ROLE ${name}_LOADER TO USER ${name}_LOADER;
-- It compares keys, which may be personal data.
GRANT ROLE ${name}_PII_READER TO ROLE ${name}_LOADER;
GRANT ROLE ${name}_OWNER TO ROLE SYSADMIN;
GRANT ROLE ${name}_MONITOR TO ROLE SYSADMIN;
USE ROLE SYSADMIN;
CREATE WAREHOUSE IF NOT EXISTS ${name}_LOAD WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE
INITIALLY_SUSPENDED = TRUE STATEMENT_TIMEOUT_IN_SECONDS = 3600 STATEMENT_QUEUED_TIMEOUT_IN_SECONDS = 600;
CREATE DATABASE IF NOT EXISTS ${name} DATA_RETENTION_TIME_IN_DAYS = 7;
USE ROLE ACCOUNTADMIN;
-- The warehouse stops when the month's credits are spent, so that neither a fault nor a stolen key costs more.
CREATE RESOURCE MONITOR IF NOT EXISTS ${name}_MONTHLY WITH CREDIT_QUOTA = 20 FREQUENCY = MONTHLY
START_TIMESTAMP = IMMEDIATELY
TRIGGERS ON 75 PERCENT DO NOTIFY ON 100 PERCENT DO SUSPEND ON 110 PERCENT DO SUSPEND_IMMEDIATE;
ALTER WAREHOUSE ${name}_LOAD SET RESOURCE_MONITOR = ${name}_MONTHLY;
-- Read-only, and only the folder of gold tables: the role's own policy in AWS says the same.
CREATE STORAGE INTEGRATION IF NOT EXISTS ${name}_S3 TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
STORAGE_AWS_ROLE_ARN = ${role_arn}
STORAGE_AWS_EXTERNAL_ID = ${external_id} -- noqa: PRS
STORAGE_ALLOWED_LOCATIONS = (${stage_url});
GRANT USAGE ON INTEGRATION ${name}_S3 TO ROLE ${name}_OWNER;
GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE ${name}_MONITOR;
GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE ${name}_MONITOR;
USE ROLE SYSADMIN;
GRANT USAGE ON WAREHOUSE ${name}_LOAD TO ROLE ${name}_LOADER;
GRANT USAGE ON WAREHOUSE ${name}_LOAD TO ROLE ${name}_MONITOR;
GRANT USAGE ON DATABASE ${name} TO ROLE ${name}_OWNER;
GRANT USAGE ON DATABASE ${name} TO ROLE ${name}_LOADER;
GRANT USAGE ON DATABASE ${name} TO ROLE ${name}_READER;
GRANT USAGE ON DATABASE ${name} TO ROLE ${name}_MONITOR;
GRANT CREATE SCHEMA ON DATABASE ${name} TO ROLE ${name}_OWNER;
GRANT CREATE SCHEMA ON DATABASE ${name} TO ROLE ${name}_MONITOR;
USE ROLE ${name}_OWNER;
-- Managed access: grants are the owner's alone, whoever creates a table.
CREATE SCHEMA IF NOT EXISTS ${name}.GOLD WITH MANAGED ACCESS;
USE SCHEMA ${name}.GOLD;
GRANT USAGE ON SCHEMA ${name}.GOLD TO ROLE ${name}_LOADER;
GRANT USAGE ON SCHEMA ${name}.GOLD TO ROLE ${name}_READER;
GRANT USAGE ON SCHEMA ${name}.GOLD TO ROLE ${name}_MONITOR;
CREATE TABLE IF NOT EXISTS CUSTODY_LOADS (
    TABLE_NAME VARCHAR NOT NULL COMMENT 'The target',
    DELTA_VERSION NUMBER(19, 0) NOT NULL COMMENT 'The version of the gold table',
    LOAD_ID VARCHAR NOT NULL COMMENT 'Of the attempt that loaded it',
    DOCUMENT VARCHAR NOT NULL COMMENT 'The URI of its lineage document',
    DOCUMENT_SHA256 VARCHAR NOT NULL,
    CONTRACT_SHA256 VARCHAR NOT NULL,
    ROW_COUNT NUMBER(19, 0) NOT NULL COMMENT 'Rows of the target after it',
    LOADED_AT TIMESTAMP_LTZ NOT NULL
) COMMENT = 'The versions of gold tables that were loaded';
CREATE TABLE IF NOT EXISTS CUSTODY_FILES (
    TABLE_NAME VARCHAR NOT NULL COMMENT 'The target',
    DELTA_VERSION NUMBER(19, 0) NOT NULL COMMENT 'The version with which it was first loaded',
    OBJECT VARCHAR NOT NULL COMMENT 'The URI of the object version, as in CUSTODY_OBJECT of the target',
    SHA256 VARCHAR NOT NULL COMMENT 'As its receipt says, and as it was hashed before it was loaded',
    LEAF_INDEX NUMBER(19, 0) NOT NULL COMMENT 'The leaf of its receipt in the log',
    RECEIPT VARCHAR NOT NULL COMMENT 'The URI of its receipt',
    ROW_COUNT NUMBER(19, 0) NOT NULL,
    LOADED_AT TIMESTAMP_LTZ NOT NULL
) COMMENT = 'The data files that rows of the targets were loaded from';
-- The loader adds to the history, and can neither change nor delete it. It may change targets, which are created later.
GRANT SELECT, INSERT ON TABLE CUSTODY_LOADS TO ROLE ${name}_LOADER;
GRANT SELECT, INSERT ON TABLE CUSTODY_FILES TO ROLE ${name}_LOADER;
GRANT SELECT ON TABLE CUSTODY_LOADS TO ROLE ${name}_READER;
GRANT SELECT ON TABLE CUSTODY_LOADS TO ROLE ${name}_MONITOR;
GRANT SELECT ON TABLE CUSTODY_FILES TO ROLE ${name}_READER;
GRANT SELECT, INSERT, UPDATE, DELETE ON FUTURE TABLES IN SCHEMA ${name}.GOLD TO ROLE ${name}_LOADER;
GRANT SELECT ON FUTURE TABLES IN SCHEMA ${name}.GOLD TO ROLE ${name}_READER;
CREATE STAGE IF NOT EXISTS CUSTODY_GOLD URL = ${stage_url} STORAGE_INTEGRATION = ${name}_S3;
GRANT USAGE ON STAGE CUSTODY_GOLD TO ROLE ${name}_LOADER;
