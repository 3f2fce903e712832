using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class DeliveryIndexes : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_deliveries_due_at",
                table: "deliveries");

            migrationBuilder.CreateIndex(
                name: "ix_notification_threads_receiver_id",
                table: "notification_threads",
                columns: new[] { "receiver", "id" },
                filter: "reference is not null");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_receiver_due_at_id",
                table: "deliveries",
                columns: new[] { "receiver", "due_at", "id" },
                filter: "state = 'queued'");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_notification_threads_receiver_id",
                table: "notification_threads");

            migrationBuilder.DropIndex(
                name: "ix_deliveries_receiver_due_at_id",
                table: "deliveries");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_due_at",
                table: "deliveries",
                column: "due_at",
                filter: "state = 'queued'");
        }
    }
}
